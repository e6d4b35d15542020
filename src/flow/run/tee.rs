//! A sink, and a stage beside it.

use super::log::Fate;
use super::state::Opened;
use crate::error::Result;
use crate::flow::{Batch, Receipts};
use crate::sink::{SplitWriter, Written};
use crate::table::Split;

/// The writers of one split: the sink's, and the stage's beside it.
pub(super) struct Tee {
    main: Box<dyn SplitWriter>,
    stage: Option<Box<dyn SplitWriter>>,
}

impl Tee {
    pub async fn open(opened: &Opened, split: &Split) -> Result<Tee> {
        let main = opened.sink.open_split(split).await?;
        let stage = match &opened.stage {
            Some(stage) => Some(stage.open_split(split).await?),
            None => None,
        };
        Ok(Tee { main, stage })
    }

    /// Writes rows to both.
    pub async fn write(&mut self, batch: Batch, fate: Fate) -> Result<Written> {
        let main = async |main: &mut dyn SplitWriter, batch| match fate {
            Fate::InDoubt => main.repeat(batch).await,
            Fate::New | Fate::Settled => main.write(batch).await,
        };
        let Some(stage) = &mut self.stage else { return main(&mut *self.main, batch).await };
        let copy = Batch {
            rows: batch.rows.clone(),
            place: batch.place.clone(),
            permit: batch.permit.clone(),
        };
        let staged = async { stage.write(copy).await.map_err(|error| error.at("stage")) };
        let (written, _) = tokio::try_join!(main(&mut *self.main, batch), staged)?;
        Ok(written)
    }

    /// Writes rows that the sink has to the stage alone.
    pub async fn stage(&mut self, batch: Batch) -> Result<()> {
        match &mut self.stage {
            Some(stage) if !batch.is_empty() => {
                stage.write(batch).await.map(drop).map_err(|error| error.at("stage"))
            }
            _ => Ok(()),
        }
    }

    /// Ends the split at both: what each of them knows it by.
    pub async fn finish(self) -> Result<Receipts> {
        let stage = match self.stage {
            Some(stage) => stage.finish().await.map_err(|error| error.at("stage"))?,
            None => None,
        };
        Ok(Receipts { sink: self.main.finish().await?, stage })
    }
}
